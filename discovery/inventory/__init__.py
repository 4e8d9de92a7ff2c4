"""What is known, and the rules by which it changes. Pure: no clock, no AWS, no file but its own."""
