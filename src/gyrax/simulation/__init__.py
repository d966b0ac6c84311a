"""Many chains of one Langevin equation on the ball, beside exact laws."""
