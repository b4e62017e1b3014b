// DOMException (Web IDL Standard).
(native, web) => {
  'use strict';

  const { declare, isObject } = web;
  const { create, defineProperty } = Object;

  // In the order of the codes, which begin with 1; the gaps are codes without a name that is still in use.
  const errorNames = [
    'IndexSizeError',
    '',
    'HierarchyRequestError',
    'WrongDocumentError',
    'InvalidCharacterError',
    '',
    'NoModificationAllowedError',
    'NotFoundError',
    'NotSupportedError',
    'InUseAttributeError',
    'InvalidStateError',
    'SyntaxError',
    'InvalidModificationError',
    'NamespaceError',
    'InvalidAccessError',
    '',
    'TypeMismatchError',
    'SecurityError',
    'NetworkError',
    'AbortError',
    'URLMismatchError',
    'QuotaExceededError',
    'TimeoutError',
    'InvalidNodeTypeError',
    'DataCloneError',
  ];
  const errorConstants = [
    'INDEX_SIZE_ERR',
    'DOMSTRING_SIZE_ERR',
    'HIERARCHY_REQUEST_ERR',
    'WRONG_DOCUMENT_ERR',
    'INVALID_CHARACTER_ERR',
    'NO_DATA_ALLOWED_ERR',
    'NO_MODIFICATION_ALLOWED_ERR',
    'NOT_FOUND_ERR',
    'NOT_SUPPORTED_ERR',
    'INUSE_ATTRIBUTE_ERR',
    'INVALID_STATE_ERR',
    'SYNTAX_ERR',
    'INVALID_MODIFICATION_ERR',
    'NAMESPACE_ERR',
    'INVALID_ACCESS_ERR',
    'VALIDATION_ERR',
    'TYPE_MISMATCH_ERR',
    'SECURITY_ERR',
    'NETWORK_ERR',
    'ABORT_ERR',
    'URL_MISMATCH_ERR',
    'QUOTA_EXCEEDED_ERR',
    'TIMEOUT_ERR',
    'INVALID_NODE_TYPE_ERR',
    'DATA_CLONE_ERR',
  ];
  const codes = create(null);
  const constants = create(null);
  for (let i = 0; i < errorNames.length; i++) {
    if (errorNames[i] !== '') codes[errorNames[i]] = i + 1;
    constants[errorConstants[i]] = i + 1;
  }

  class DOMException extends Error {
    #message;
    #name;
    constructor(message = '', options = 'Error') {
      // Stacks and uncaught exceptions show the message only if it is a property of the object itself.
      super(`${message}`);
      this.#message = `${message}`;
      if (isObject(options)) {
        this.#name = options.name === undefined ? 'Error' : `${options.name}`;
        if ('cause' in options)
          defineProperty(this, 'cause', { value: options.cause, writable: true, configurable: true });
      } else {
        this.#name = `${options}`;
      }
    }
    get name() {
      return this.#name;
    }
    get message() {
      return this.#message;
    }
    get code() {
      return codes[this.#name] ?? 0;
    }
    static {
      web.isDOMException = (v) => isObject(v) && #name in v;
    }
  }
  declare(DOMException, constants);

  // refuse throws the DOMException of that name.
  web.refuse = (name, message) => {
    throw new DOMException(message, name);
  };
  web.DOMException = DOMException;
}
