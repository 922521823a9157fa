"""The commands of the command line, a file each; what a command needs is loaded when it runs."""
