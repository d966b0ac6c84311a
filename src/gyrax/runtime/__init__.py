"""Where and how programs run: device, processes, console, files."""
