"""The formats of workflow files: text to plain values of JSON's types, and back."""
