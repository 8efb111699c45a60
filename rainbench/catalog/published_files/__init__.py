"""Weights in the files of other frameworks, read without them: TensorFlow, Caffe, MATLAB."""
