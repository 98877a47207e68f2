"""What `sightline pacs` does, a file each."""
