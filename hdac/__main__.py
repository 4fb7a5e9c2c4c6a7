"""`python -m hdac`."""

from hdac.cli.main import main

raise SystemExit(main())
