"""What the SConstruct and the SConscripts share: options, flags, libraries, tests, installation."""
