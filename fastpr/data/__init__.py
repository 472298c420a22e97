"""The sample of ``fastpr demo``; README.md in this folder says where it comes from."""
