"""Views are clients of the engine: graph to plain records, records to text, SVG or HTML."""
