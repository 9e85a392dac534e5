"""Words in many languages: folding, stems, and the lists by which texts are judged. Pure."""
