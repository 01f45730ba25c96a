"""What virt-operator does."""
