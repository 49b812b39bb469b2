package lab

import (
	"fmt"
	"net"
)

// Occupy takes the address of a node that is down, as a stranger would, until
// release.
func (l *Lab) Occupy(n *Node) (release func(), err error) {
	var listener net.Listener
	err = n.network.do(func() (err error) {
		listener, err = net.Listen("tcp", n.Address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("occupy the address of %s: %w", n.ID, err)
	}
	return func() { _ = listener.Close() }, nil
}
