package image

// openWithoutWaiting is for fifos, of which a Windows file system has none.
const openWithoutWaiting = 0
