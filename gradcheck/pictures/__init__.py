"""What is drawn of a check: the numbers behind each picture, and the shapes made of them."""
