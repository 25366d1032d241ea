"""How close a generator's samples are to real images: plain functions of features, one file an idea.

Real features come first, generated ones second.
"""
