"""The controllers that virt-controller runs."""
