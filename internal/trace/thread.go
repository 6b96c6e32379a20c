package trace

// threadID is the id of the thread this runs on; 0 where there is none that a reader could use.
var threadID = systemThreadID

// ThreadsBy has a faster way found to the id of the thread that it is called on. It is for the init of a package.
func ThreadsBy(id func() int32) { threadID = id }
