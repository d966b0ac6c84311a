"""LeRobotDataset folders, read and written."""
