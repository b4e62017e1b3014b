package guest

import (
	"encoding/json"
	"fmt"
)

// ask performs a request whose metadata is meta, nil for none, and reads the answer's into answer.
func ask(service, method string, meta any, body []byte, answer any) ([]byte, error) {
	var m []byte
	if meta != nil {
		var err error
		if m, err = json.Marshal(meta); err != nil {
			return nil, &Error{Code: CodeInvalid, Message: fmt.Sprintf("the request for %s.%s cannot be encoded: %v", service, method, err)}
		}
	}
	answerMeta, answerBody, err := request(service, method, m, body)
	if err != nil {
		return nil, err
	}
	if answer != nil {
		if err := json.Unmarshal(answerMeta, answer); err != nil {
			return nil, &Error{Code: CodeInternal, Message: fmt.Sprintf("the node's answer to %s.%s is malformed: %v", service, method, err)}
		}
	}
	return answerBody, nil
}
