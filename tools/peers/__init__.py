"""What people would use instead, each a program of its own."""
