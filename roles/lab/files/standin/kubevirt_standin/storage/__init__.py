"""Storage that is simulated: snapshots of volumes, and exports."""
