"""The parts of tools/show: a net, images, and the page of both."""
