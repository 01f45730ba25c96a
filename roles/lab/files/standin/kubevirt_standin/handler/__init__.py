"""What virt-handler does on its node."""
