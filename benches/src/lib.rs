//! What measures Parlour: the programs `bandwidth` and `forwarding`, and criterion benches. This library is empty; the
//! package needs a target of its own.
