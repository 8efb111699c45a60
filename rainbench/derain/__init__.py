"""An entry applied to images, folders of them, and videos, outside any data set."""
