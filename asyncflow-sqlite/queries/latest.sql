SELECT max(latest) FROM flows
