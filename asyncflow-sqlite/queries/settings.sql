SELECT version, settings FROM settings
