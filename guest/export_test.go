package guest

// For tests.
var (
	DecodeHeader = decodeHeader
	Milliseconds = milliseconds
)

// Split cuts the payloads of answers with these sizes apart.
func Split(payloads []byte, sizes ...int) ([]Message, error) {
	var answers []messageAnswer
	for _, size := range sizes {
		answers = append(answers, messageAnswer{Size: size})
	}
	return split(answers, payloads)
}
