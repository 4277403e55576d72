"""What tools/sweep is made of: values, the program and its peers, the machine, and where rows go."""
