"""What runs in a virt-launcher pod."""
