"""The application of the vendor's marketplace: branches that join by it, are frozen, and leave."""
