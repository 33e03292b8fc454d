"""What people use today: the other side of every comparison."""
