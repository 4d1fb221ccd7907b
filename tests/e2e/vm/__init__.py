"""The tiny guest with the kernel's own NFS and CIFS clients."""
