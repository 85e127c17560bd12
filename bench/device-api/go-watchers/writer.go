// The writer: updates one GPU's status at a steady rate, with the send time in the condition's message.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	pb "gpubroker/deviceapi"

	"google.golang.org/grpc"
)

const writeDeadline = 10 * time.Second

type writer struct {
	client pb.GpuServiceClient
	name   string
}

func newWriter(socket, name string) (*writer, error) {
	connection, err := grpc.Dial("unix:"+socket, grpc.WithInsecure(), grpc.WithBlock(), grpc.WithTimeout(writeDeadline))
	if err != nil {
		return nil, err
	}
	return &writer{client: pb.NewGpuServiceClient(connection), name: name}, nil
}

// write sends count updates. None waits for the answer of the one before, so that a slow server does not slow the rate.
func (w *writer) write(count int, every time.Duration) error {
	failures := make(chan error, count)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var pending sync.WaitGroup
	for i := 0; i < count; i++ {
		<-ticker.C
		pending.Add(1)
		go func() {
			defer pending.Done()
			if err := w.update(); err != nil {
				failures <- err
			}
		}()
	}
	pending.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

func (w *writer) update() error {
	ctx, cancel := context.WithTimeout(context.Background(), writeDeadline)
	defer cancel()
	message := fmt.Sprintf("sent=%d", time.Now().UnixNano())
	_, err := w.client.UpdateGpuStatus(ctx, &pb.UpdateGpuStatusRequest{Name: w.name, Status: &pb.GpuStatus{
		Conditions: []*pb.Condition{
			{Type: "Ready", Status: "True", Reason: "Measured", Message: message},
			{Type: "NVMLReady", Status: "True", Reason: "Initialized", Message: "NVML initialised"},
		},
	}})
	return err
}
