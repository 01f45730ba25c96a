"""What virt-api serves: subresources, admission, discovery."""
