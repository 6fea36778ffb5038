"""What `import modbench as mb` offers; see `docs/python.md`."""
