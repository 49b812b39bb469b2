// Package cli is the command line: the root command, the commands of a client
// (get, set, list, cluster status, …), and the rules that all commands share for
// output, questions, errors and exit codes. It knows the public API through
// confman/api/client, what a value is through confman/events, and nothing of
// what is behind them.
//
// Data goes to Stdout and everything else, confirmations included, to Stderr, so
// that a pipe holds only what was asked for.
//
// # Where a setting comes from
//
// Lowest first: default, context (a named cluster in the file that
// [ContextsPath] names), CONFMAN_* variable, flag. Two rules keep a key from
// going to the wrong cluster: a context chosen with --context on the command
// line wins over variables, and the key of a context is used only together with
// its address.
package cli
