//! Whole-system tests of Parlour live in `tests/`: calls in virtual time and over sockets, bad input, signalling, and the
//! order of the house. Those of browsers, Python and Go clients lie beside in folders of their own. This library is empty.
