"""What does a Windvane need of its machine: ports, folders, a user, memory?"""
