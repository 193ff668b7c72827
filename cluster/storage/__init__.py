"""What outlives every process, and how does a process open it?"""
