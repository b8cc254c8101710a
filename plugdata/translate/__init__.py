"""Translation of a row as a task: what is asked, how the answer is read, when it is not believed.

The row is one unit: its instruction, input and response are translated together or not at all.
"""
