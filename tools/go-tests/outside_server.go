// Package test stands beside the integration tests of a livekit-server checkout while tools/go-tests.mjs compiles them. It owns the stand-in for
// the server that those tests make inside their own process: a program that is started with what the test changed in the configuration,
// and asked over its API for what the tests read from the server's memory. Where a test wants two nodes, the second one is a way to the first.
package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"syscall"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"gopkg.in/yaml.v3"

	"github.com/livekit/livekit-server/pkg/config"
	"github.com/livekit/livekit-server/pkg/routing"
	"github.com/livekit/livekit-server/pkg/rtc/types"
)

const (
	// The command that starts a server, as a JSON list of words.
	outsideCommandVariable = "GO_TESTS_SERVER"
	// The file to which servers print.
	outsideLogVariable = "GO_TESTS_SERVER_LOG"
	// A server that has not ended after two signals is killed.
	outsideEndWithin = 6 * time.Second
	// The test client asks this address for its own; nobody answers, and nothing leaves the machine.
	outsideStunServer = "127.0.0.1:3479"
)

// outsideServer has those methods of LivekitServer that the tests call.
type outsideServer struct {
	// One of the two: the program, or what stands for a second node.
	command *exec.Cmd
	relay   net.Listener
	log     *os.File
	port    int
	node    *livekit.Node
	ended   chan struct{}
}

func initializeOutsideServer(conf *config.Config, node routing.LocalNode) (*outsideServer, error) {
	server := &outsideServer{port: int(conf.Port), node: node.Clone(), ended: make(chan struct{})}
	if conf.Redis.Address != "" {
		// One node needs no place to meet others.
		conf.Redis.Address = ""
		if conf.Port == secondServerPort {
			var err error
			server.relay, err = net.Listen("tcp", fmt.Sprintf(":%d", conf.Port))
			return server, err
		}
	}
	return server, server.launch(conf)
}

func (s *outsideServer) launch(conf *config.Config) error {
	var words []string
	if err := json.Unmarshal([]byte(os.Getenv(outsideCommandVariable)), &words); err != nil || len(words) == 0 {
		return fmt.Errorf("%s holds no command: %w", outsideCommandVariable, err)
	}
	body, err := changedConfiguration(conf)
	if err != nil {
		return err
	}
	s.command = exec.Command(words[0], append(words[1:], "--config-body", string(body))...)
	if name := os.Getenv(outsideLogVariable); name != "" {
		if s.log, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return err
		}
		s.command.Stdout, s.command.Stderr = s.log, s.log
	}
	return s.command.Start()
}

// Start returns when the server has ended, as LivekitServer's does.
func (s *outsideServer) Start() error {
	defer close(s.ended)
	if s.relay != nil {
		for {
			connection, err := s.relay.Accept()
			if err != nil {
				return nil
			}
			go passOn(connection)
		}
	}
	_ = s.command.Wait()
	if s.log != nil {
		s.log.Close()
	}
	return nil
}

// passOn joins a connection to one to the first node, until either side ends it.
func passOn(guest net.Conn) {
	host, err := net.Dial("tcp", fmt.Sprintf("localhost:%d", defaultServerPort))
	if err != nil {
		guest.Close()
		return
	}
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		to.Close()
		from.Close()
	}
	go pass(host, guest)
	pass(guest, host)
}

// Stop waits for the end: the next test wants the same port. The second signal is how both servers are told not to wait for their guests.
func (s *outsideServer) Stop(_ bool) {
	if s.relay != nil {
		s.relay.Close()
		<-s.ended
		return
	}
	for range 2 {
		_ = s.command.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
			return
		case <-time.After(outsideEndWithin / 2):
		}
	}
	_ = s.command.Process.Kill()
	<-s.ended
}

func (s *outsideServer) IsRunning() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

func (s *outsideServer) HTTPPort() int                    { return s.port }
func (s *outsideServer) Node() *livekit.Node              { return s.node }
func (s *outsideServer) RoomManager() *outsideRoomManager { return &outsideRoomManager{port: s.port} }

type outsideRoomManager struct{ port int }

func (m *outsideRoomManager) GetRoom(_ context.Context, name livekit.RoomName) *outsideRoom {
	url := fmt.Sprintf("http://localhost:%d", m.port)
	return &outsideRoom{name: string(name), service: livekit.NewRoomServiceJSONClient(url, &http.Client{})}
}

type outsideRoom struct {
	name    string
	service livekit.RoomService
}

// Close ends the room for everybody.
func (r *outsideRoom) Close(types.ParticipantCloseReason) {
	_, _ = r.service.DeleteRoom(r.as(&auth.VideoGrant{RoomCreate: true}), &livekit.DeleteRoomRequest{Room: r.name})
}

// GetParticipant answers nil for somebody who is not there.
func (r *outsideRoom) GetParticipant(identity livekit.ParticipantIdentity) types.LocalParticipant {
	for _, participant := range r.participants() {
		if participant.Identity == string(identity) {
			return &outsideParticipant{room: r, info: participant}
		}
	}
	return nil
}

func (r *outsideRoom) participants() []*livekit.ParticipantInfo {
	admin := r.as(&auth.VideoGrant{RoomAdmin: true, Room: r.name})
	list, err := r.service.ListParticipants(admin, &livekit.ListParticipantsRequest{Room: r.name})
	if err != nil {
		return nil
	}
	return list.Participants
}

func (r *outsideRoom) has(id livekit.ParticipantID) bool {
	for _, participant := range r.participants() {
		if participant.Sid == string(id) {
			return true
		}
	}
	return false
}

func (r *outsideRoom) as(grant *auth.VideoGrant) context.Context {
	token, err := auth.NewAccessToken(testApiKey, testApiSecret).AddGrant(grant).ToJWT()
	if err != nil {
		panic(err)
	}
	return contextWithToken(token)
}

// outsideParticipant answers for its published tracks; any other method of the interface has no body and panics.
type outsideParticipant struct {
	types.LocalParticipant
	room *outsideRoom
	info *livekit.ParticipantInfo
}

func (p *outsideParticipant) GetPublishedTracks() []types.MediaTrack {
	var tracks []types.MediaTrack
	for range p.info.Tracks {
		tracks = append(tracks, &outsideTrack{room: p.room})
	}
	return tracks
}

func (p *outsideParticipant) GetPublishedDataTracks() []types.DataTrack {
	var tracks []types.DataTrack
	for range p.info.DataTracks {
		tracks = append(tracks, &outsideDataTrack{room: p.room})
	}
	return tracks
}

type outsideTrack struct {
	types.MediaTrack
	room *outsideRoom
}

// IsSubscriber cannot see subscriptions from outside: the tests ask only about somebody who left, and get whether the room still has them.
func (t *outsideTrack) IsSubscriber(id livekit.ParticipantID) bool { return t.room.has(id) }

type outsideDataTrack struct {
	types.DataTrack
	room *outsideRoom
}

func (t *outsideDataTrack) IsSubscriber(id livekit.ParticipantID) bool { return t.room.has(id) }

// changedConfiguration is what a test changed of the default configuration, as JSON, which is YAML too. The rest stays the server's own default.
func changedConfiguration(conf *config.Config) ([]byte, error) {
	untouched, err := config.NewConfig("", true, nil, nil)
	if err != nil {
		return nil, err
	}
	before, errBefore := asMap(untouched)
	after, errAfter := asMap(conf)
	if err := errors.Join(errBefore, errAfter); err != nil {
		return nil, err
	}
	changed := difference(before, after)
	rtc, _ := changed["rtc"].(map[string]any)
	if rtc == nil {
		rtc = map[string]any{}
		changed["rtc"] = rtc
	}
	rtc["stun_servers"] = []string{outsideStunServer}
	return json.Marshal(changed)
}

func asMap(conf *config.Config) (map[string]any, error) {
	body, err := yaml.Marshal(conf)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	return values, yaml.Unmarshal(body, &values)
}

// difference also names what is gone: a key that is left out when it is zero has become zero.
func difference(before, after map[string]any) map[string]any {
	changed := map[string]any{}
	for key, value := range after {
		below, wasMap := before[key].(map[string]any)
		if inner, isMap := value.(map[string]any); isMap && wasMap {
			if deeper := difference(below, inner); len(deeper) > 0 {
				changed[key] = deeper
			}
		} else if !reflect.DeepEqual(before[key], value) {
			changed[key] = value
		}
	}
	for key, value := range before {
		if _, still := after[key]; !still && value != nil {
			changed[key] = reflect.Zero(reflect.TypeOf(value)).Interface()
		}
	}
	return changed
}
