"""Does the loop heal what it was not tuned to?"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one world a process: threads of xgboost would only wait for each other
