// Package admission decides which requests a node takes on now, which wait, and
// which are asked to come back: before latency collapses, and so that nobody's load
// is paid for by another. It knows no HTTP, no clock but the one it is given, and
// nothing of what a request is about. A flow is whoever asks, a principal as a rule.
//
// # Places
//
// A [Queue] has so many places. A request takes one or, if it is costly, several,
// and gives them back when its work is done; sending the answer is not work. When
// all are taken, each flow has a line of its own, and the lines take turns: deficit
// round robin (Shreedhar, Varghese: Efficient Fair Queueing using Deficit Round
// Robin, SIGCOMM 1995), as in Kubernetes' API Priority and Fairness (KEP-1040).
// When too many wait, the newest of the longest line goes (McKenney: Stochastic
// Fairness Queueing, 1990).
//
// Nobody waits for longer than [Config.Wait]. A line that has not been empty for as
// long as that is not a burst but a standing queue, which makes everybody late and
// nobody faster: its patience is a tenth, until it is empty again (Nichols, Jacobson:
// Controlling Queue Delay, 2012; in this form Maurer: Fail at Scale, ACM Queue 2015).
//
// A [Gate] has three queues, because what they wait for is different: reads need
// this node only, writes a majority, and what is urgent, to take something away, to
// review, to look at the cluster and repair it, waits for neither of them.
//
// # Shares
//
// A [Quota] bounds what is held for long and does not wait: bytes of bodies and
// answers in memory, exports, long polls. One flow has at most half of it. Who waits
// and is not known has a quota apart from those who are.
//
// # Memory
//
// [Memory] compares what is live in the heap with the limit of the Go runtime
// (GOMEMLIMIT). At 80 % whatever would grow is refused, streams first; at 90 % writes,
// but for those that take something away.
//
// # Refusals
//
// A [Refusal] says which limit, and which flag sets it. It is [ErrShare] when the
// flow holds more than its share while others wait, and [ErrFull] when the node is
// full.
package admission
