"""Database Discovery: an inventory of every database on the EC2 hosts of an AWS organisation."""

__version__ = "0.1.0"
