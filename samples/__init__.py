"""Sample networks on handwritten digits, and the script that trains them."""
