// Stalled watchers: each opens a watch on a connection of its own and never reads a byte of it.
package main

func stall(socket string, count int) ([]*connection, error) {
	var stalled []*connection
	for i := 0; i < count; i++ {
		c, err := connect(socket, 0)
		if err != nil {
			return nil, err
		}
		if err := c.watch(1); err != nil {
			return nil, err
		}
		stalled = append(stalled, c)
	}
	return stalled, nil
}
