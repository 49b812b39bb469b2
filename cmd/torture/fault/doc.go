// Package fault is what can be done to a cluster, by name, and a journal of when
// it was done. A [Fault] is injected, holds for a while, is healed, and is over
// when every node is ready again. [All] is the catalogue.
package fault
