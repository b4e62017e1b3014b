//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import "testing"

func TestTextEncoder(t *testing.T) {
	checkFacts(t, []fact{
		{"all lengths", `return [...new TextEncoder().encode('aé€🐶')]`, `[97,195,169,226,130,172,240,159,144,182]`},
		{"lone surrogate", `return [...new TextEncoder().encode('\ud800x')]`, `[239,191,189,120]`},
		{"nothing", `return [new TextEncoder().encode().length, new TextEncoder().encode(undefined).length]`, `[0,0]`},
		{"conversion", `return [...new TextEncoder().encode(null)]`, `[110,117,108,108]`},
		{"long", `return new TextEncoder().encode('ü'.repeat(100000)).length`, `200000`},
		{"encoding", `return new TextEncoder().encoding`, `"utf-8"`},
		{"into", `const b = new Uint8Array(10); return [new TextEncoder().encodeInto('a€🐶', b), [...b]]`, `[{"read":4,"written":8},[97,226,130,172,240,159,144,182,0,0]]`},
		{"into what is too small", `const b = new Uint8Array(3); return [new TextEncoder().encodeInto('aé🐶', b), [...b]]`, `[{"read":2,"written":3},[97,195,169]]`},
		{"into what is no Uint8Array", `return thrown(() => new TextEncoder().encodeInto('', new Uint16Array(1)))`, `"TypeError"`},
	})
}

func TestTextDecoder(t *testing.T) {
	checkFacts(t, []fact{
		{"round trip", `return new TextDecoder().decode(new TextEncoder().encode('aé€🐶\0'))`, `"aé€🐶\u0000"`},
		{"long", `return new TextDecoder().decode(new TextEncoder().encode('ü'.repeat(100000))).length`, `100000`},
		{"malformed", `return new TextDecoder().decode(new Uint8Array([0x61, 0xff, 0xe2, 0x82, 0x62, 0xf0, 0x9f]))`, `"a\ufffd\ufffdb\ufffd"`},
		{"overlong and surrogate", `return new TextDecoder().decode(new Uint8Array([0xc0, 0x80, 0xed, 0xa0, 0x80])).length`, `5`},
		{"malformed and long", `const b = new Uint8Array(5000).fill(97); b[4000] = 255; return new TextDecoder().decode(b).indexOf('\ufffd')`, `4000`},
		{"fatal", `return thrown(() => new TextDecoder('utf-8', {fatal: true}).decode(new Uint8Array([0x61, 0xff])))`, `"TypeError"`},
		{"fatal and right", `return new TextDecoder('utf-8', {fatal: true}).decode(new Uint8Array([0x61]))`, `"a"`},
		{"byte order mark", `return new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, 65]))`, "\"\ufeffA\""},
		{"byte order mark kept", `return new TextDecoder('utf8', {ignoreBOM: true}).decode(new Uint8Array([0xef, 0xbb, 0xbf, 65]))`, "\"\ufeffA\""},
		{
			"stream, byte by byte",
			`const d = new TextDecoder(); let s = '';
			for (const c of new TextEncoder().encode('\ufeffaé€🐶z')) s += d.decode(new Uint8Array([c]), {stream: true});
			return s + d.decode()`, `"aé€🐶z"`,
		},
		{
			"stream that ends too early",
			`const d = new TextDecoder(); return [d.decode(new Uint8Array([0xe2, 0x82]), {stream: true}), d.decode(), d.decode(new Uint8Array([65]))]`,
			`["","\ufffd","A"]`,
		},
		{
			"stream that goes on wrongly",
			`const d = new TextDecoder(); return d.decode(new Uint8Array([0xe2, 0x82]), {stream: true}) + d.decode(new Uint8Array([65]), {stream: true})`, `"\ufffdA"`,
		},
		{
			"stream that cannot go on",
			`return new TextDecoder().decode(new Uint8Array([0xe0, 0x80]), {stream: true})`, `"\ufffd\ufffd"`,
		},
		{"buffer and view", `const b = new Uint8Array([65, 66, 67]); return [new TextDecoder().decode(b.buffer), new TextDecoder().decode(new DataView(b.buffer, 1, 1))]`, `["ABC","B"]`},
		{"no buffer", `return thrown(() => new TextDecoder().decode('x'))`, `"TypeError"`},
		{"utf-16", `return new TextDecoder('utf-16').decode(new Uint8Array([0xff, 0xfe, 0x41, 0, 0x3d, 0xd8, 0x36, 0xdc]))`, `"A🐶"`},
		{"utf-16 with half a pair", `return new TextDecoder('utf-16le').decode(new Uint8Array([0x3d, 0xd8, 0x41, 0]))`, `"\ufffdA"`},
		{"utf-16 with half a unit", `return new TextDecoder('utf-16le').decode(new Uint8Array([0x41, 0, 0x42]))`, `"A\ufffd"`},
		{"utf-16 and fatal", `return thrown(() => new TextDecoder('utf-16le', {fatal: true}).decode(new Uint8Array([0x41, 0, 0x42])))`, `"TypeError"`},
		{
			"utf-16 stream",
			`const d = new TextDecoder('utf-16le'); let s = '';
			for (const c of [0xff, 0xfe, 0x3d, 0xd8, 0x36, 0xdc, 0x41, 0]) s += d.decode(new Uint8Array([c]), {stream: true});
			return s + d.decode()`, `"🐶A"`,
		},
		{"latin1", `return new TextDecoder('latin1').decode(new Uint8Array([0x41, 0x80, 0x9f, 0xe9, 0x81])).split('').map((c) => c.charCodeAt(0))`, `[65,8364,376,233,129]`},
		{"labels", `return ['UTF8', ' utf-8\n', 'ascii', 'iso-8859-1', 'UTF-16'].map((l) => new TextDecoder(l).encoding)`, `["utf-8","utf-8","windows-1252","windows-1252","utf-16le"]`},
		{"label that is not known", `return thrown(() => new TextDecoder('koi8-r'))`, `"RangeError"`},
		{"label that is not known, message", `try { new TextDecoder('koi8-r') } catch (e) { return e.message.includes('utf-16le') }`, `true`},
	})
}

func TestBase64(t *testing.T) {
	checkFacts(t, []fact{
		{"btoa", `return ['', 'f', 'fo', 'foo', '\xff\xfe\xfd'].map((s) => btoa(s))`, `["","Zg==","Zm8=","Zm9v","//79"]`},
		{"btoa of anything", `return [btoa(12), btoa(null), btoa(undefined)]`, `["MTI=","bnVsbA==","dW5kZWZpbmVk"]`},
		{"btoa beyond bytes", `try { btoa('€') } catch (e) { return [e.name, e.code, e instanceof DOMException] }`, `["InvalidCharacterError",5,true]`},
		{"atob", `return ['', 'Zg==', 'Zm8=', 'Zm9v', '//79'].map((s) => atob(s))`, `["","f","fo","foo","ÿþý"]`},
		{"atob is forgiving", `return [atob(' Z g = =\n'), atob('Zg'), atob('Zm8')]`, `["f","f","fo"]`},
		{
			"atob is not too forgiving", `return ['Z', 'Zg=', 'Zg===', '=', '====', 'Zm9v=', 'Z-8=', 'ü', 'Zg==Zg=='].filter((s) => thrown(() => atob(s)) !== 'InvalidCharacterError')`,
			`[]`,
		},
		{"no argument", `return [thrown(() => atob()), thrown(() => btoa())]`, `["TypeError","TypeError"]`},
		{"all bytes", `let s = ''; for (let i = 0; i < 20000; i++) s += String.fromCharCode(i & 255); return atob(btoa(s)) === s`, `true`},
	})
}
