package control

// MaxInProgress is how many deploys are worked on at one time.
const MaxInProgress = maxInProgress

// OpenEnvironment needs no service.
var OpenEnvironment = openEnvironment

// MaxOutbox bounds the bytes that wait to be published.
const MaxOutbox = maxOutbox
