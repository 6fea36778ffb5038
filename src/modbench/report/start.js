// The last of the scripts: everything that listens to the reader's choices is there by now.
start();
