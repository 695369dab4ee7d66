SELECT version FROM settings
