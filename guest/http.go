package guest

import "time"

// HTTP makes HTTP requests.
var HTTP httpClient

type httpClient struct{}

// HTTPRequest is an HTTP request.
type HTTPRequest struct {
	Method string // "" means GET
	URL    string
	Header Header
	Body   []byte
	// Timeout bounds the whole exchange; 0 takes the node's default, and no more than that is had.
	Timeout time.Duration
	// Redirect is "follow" (also when empty), "error" or "manual", as in the Fetch standard.
	Redirect string
}

// HTTPResponse is an HTTP response, of whatever status.
type HTTPResponse struct {
	Status     int
	StatusText string
	Header     Header
	Body       []byte
	URL        string // after redirects
	Redirected bool
}

// Do makes a request and returns the response with its whole body.
func (httpClient) Do(r HTTPRequest) (HTTPResponse, error) {
	type meta struct {
		Method    string `json:"method"`
		URL       string `json:"url"`
		Headers   Header `json:"headers,omitempty"`
		TimeoutMs int64  `json:"timeout_ms,omitempty"`
		Redirect  string `json:"redirect,omitempty"`
	}
	var answer struct {
		Status     int    `json:"status"`
		StatusText string `json:"status_text"`
		Headers    Header `json:"headers"`
		URL        string `json:"url"`
		Redirected bool   `json:"redirected"`
	}
	if r.Method == "" {
		r.Method = "GET"
	}
	body, err := ask("http", "request", meta{r.Method, r.URL, r.Header, milliseconds(r.Timeout), r.Redirect}, r.Body, &answer)
	if err != nil {
		return HTTPResponse{}, err
	}
	return HTTPResponse{
		Status: answer.Status, StatusText: answer.StatusText, Header: answer.Headers, Body: body,
		URL: answer.URL, Redirected: answer.Redirected,
	}, nil
}

// Get makes a GET request.
func (h httpClient) Get(url string) (HTTPResponse, error) { return h.Do(HTTPRequest{URL: url}) }
