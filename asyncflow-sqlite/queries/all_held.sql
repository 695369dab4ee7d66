SELECT * FROM jobs INDEXED BY held WHERE state = 2
